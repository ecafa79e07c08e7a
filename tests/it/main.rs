//! Integration tests: one binary, to link once.

mod tui;
