//! Integration tests: one binary, one module per subject.

mod catalogue_queries;
mod http_faults;
