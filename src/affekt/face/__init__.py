"""Faces: pictures and video in, what faces express out."""
