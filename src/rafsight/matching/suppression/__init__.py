"""What people say need not be shown: ignore files, and the three kinds of VEX documents."""
