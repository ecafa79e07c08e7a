//! Tests of counterfactuals against the true ones.

#![allow(clippy::unwrap_used)]

use super::*;
