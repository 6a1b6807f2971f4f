"""The first layers of Whisper as the encoder of the model `voice`."""
