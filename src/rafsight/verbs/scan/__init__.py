"""Which known vulnerabilities are in this image?"""
