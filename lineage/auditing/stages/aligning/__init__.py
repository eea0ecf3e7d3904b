"""Where nothing is found as the weights are: candidates in the order, scale and rotation of the child."""
