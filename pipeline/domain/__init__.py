"""The vocabulary of an import: customers, currencies, reasons, fates. Pure; every other package may import it."""
