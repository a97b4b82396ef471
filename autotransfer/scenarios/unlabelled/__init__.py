"""The unlabelled scenario: labelled source images, target images without labels."""
