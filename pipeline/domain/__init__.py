"""The vocabulary of an import: customers, currencies, reasons, fates. Pure; all packages use it."""
