"""Who was there: consent first, then faces, rows that last, and corrections by people."""

#: What is said whenever a face is enrolled or a session is run.
LAW = (
    "Face templates are biometric data (GDPR Art. 9): they need explicit consent that may be refused without any "
    "disadvantage. Pupils and employees can rarely give it freely; ask your data protection officer first."
)
