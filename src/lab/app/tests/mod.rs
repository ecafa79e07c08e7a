//! Applications: what the files say, and what is said about wrong ones.

use super::*;

#[test]
fn every_application_can_be_had() {
    for name in names() {
        let app = named(name).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(&*app.name, name);
    }
}
