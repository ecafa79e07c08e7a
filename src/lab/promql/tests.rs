//! The evaluator on small data whose results can be seen.
