"""Do eight stages of a deep cascade say what all of its layers say?"""
