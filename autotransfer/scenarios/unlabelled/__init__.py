"""The unlabelled setting: labelled source pictures, target pictures without labels."""
