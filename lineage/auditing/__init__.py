"""One child, its candidates, a verdict.

The room is not called `audit`: Python binds a package's name to the package as soon as any module in it is
imported, and `lineage.audit` is the function.
"""
