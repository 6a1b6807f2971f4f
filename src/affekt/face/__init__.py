"""Faces in pictures and video."""
