"""One child, its candidates, a verdict."""
