"""Which of our metrics can be believed, on which network?"""
