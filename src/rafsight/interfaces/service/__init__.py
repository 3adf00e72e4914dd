"""rafsight as a service: scans on request and on push, a store of reports, pages for people."""
