"""Who was there: consent first, then faces, rows that last, and corrections by people."""
