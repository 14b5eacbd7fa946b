"""How often does the regression gate close without a reason, and does it close when it should?"""
