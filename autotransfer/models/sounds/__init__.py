"""Sources of sounds: networks of plugins, and a small one that learns from nothing."""
