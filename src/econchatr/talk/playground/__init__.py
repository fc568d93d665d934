"""playground: a page in the browser to talk with the models, compare them, guess, rank, and look things up."""
