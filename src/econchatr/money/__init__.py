"""Money: the price table, the billing rules, a budget shared over rungs, quotes, the ledger of what was charged.

Not a stage. `select` turns a budget in dollars into tokens with it, and the pipeline quotes and pays with it. Imports
records and errors only. All amounts are US dollars as `Decimal`, never floats.
"""
