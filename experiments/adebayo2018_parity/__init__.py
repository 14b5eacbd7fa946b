"""The numbers of 2018: presets with the settings of the released code, and what each changes."""
