"""Data sets of torchvision, by the name of their class."""

CLASSIFICATION = (
    *("CIFAR10", "CIFAR100", "Country211", "DTD", "FGVCAircraft", "FashionMNIST", "Flowers102", "Food101"),
    *("EMNIST-balanced", "EMNIST-byclass", "EMNIST-bymerge", "EMNIST-digits", "EMNIST-letters"),
    *("EMNIST-mnist", "StanfordCars", "USPS"),
    *("GTSRB", "KMNIST", "MNIST", "OxfordIIITPet", "PCAM", "QMNIST", "RenderedSST2", "STL10", "SVHN"),
)


VOC = {"segmentation": "VOCSegmentation", "detection": "VOCDetection"}
"""Data for other tasks than classification."""
