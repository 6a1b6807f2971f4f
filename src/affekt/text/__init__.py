"""Emotions in written words: sentences, subtitles, chats."""
