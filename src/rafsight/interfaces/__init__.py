"""How people and programs reach rafsight."""
