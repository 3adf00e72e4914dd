"""Advisory feeds to advisories. Pure parsers."""
