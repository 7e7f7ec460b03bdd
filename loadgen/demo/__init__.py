"""The whole pipeline in one process, over a campaign of our own making: it alone composes all packages."""
