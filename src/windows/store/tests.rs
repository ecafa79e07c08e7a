//! The store under interruption, company and damage.
#![allow(clippy::unwrap_used)]

use std::fs;

use super::*;
use crate::domain::{Column, Entity, Pool};

fn column(name: &str) -> Column {
    Column::Metric { entity: Entity::Service("s".into()), feature: name.into(), pool: Pool::Mean }
}

fn cells(name: &str, values: &[(i64, f64)]) -> Cells {
    let mut cells = Cells::default();
    let ix = cells.column(&column(name));
    for (end, value) in values {
        cells.push(*end, ix, *value);
        cells.place(&"s".into(), &"n".into(), *end);
    }
    cells
}

fn ends(after: i64, until: i64) -> Ends {
    Ends { after, until }
}

fn put(store: &Store, key: &str, range: Ends, cells: &Cells, complete: bool) {
    store.commit(&Key::from(key), &"label".into(), range, 60, cells, complete).unwrap();
}

#[test]
fn what_was_committed_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), "prod").unwrap();
    let written = cells("cpu", &[(60, 1.5), (180, -2.0)]);
    put(&store, "a", ends(0, 240), &written, true);
    drop(store);
    let store = Store::open(dir.path(), "prod").unwrap();
    assert_eq!(store.cells(&"a".into(), ends(0, 240)).unwrap().rows().count(), 2);
    let read = store.cells(&"a".into(), ends(60, 180)).unwrap();
    assert_eq!((read.get(60, &column("cpu")), read.get(180, &column("cpu"))), (None, Some(-2.0)));
    assert_eq!(store.covered(&"a".into()).unwrap(), [ends(0, 240)]);
    assert!(store.covered(&"b".into()).unwrap().is_empty());
    assert!(!store.has_cells(&"a".into(), ends(60, 120)).unwrap());
    assert!(store.has_cells(&"a".into(), ends(120, 180)).unwrap());
}

#[test]
fn a_commit_replaces_its_range_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), "prod").unwrap();
    put(&store, "a", ends(0, 180), &cells("cpu", &[(60, 1.0), (120, 1.0), (180, 1.0)]), true);
    put(&store, "a", ends(60, 120), &cells("cpu", &[(60, 9.0), (180, 9.0)]), false);
    let read = store.cells(&"a".into(), ends(0, 999)).unwrap();
    assert_eq!(read.rows().map(|(end, _)| end).collect::<Vec<_>>(), [60, 180]);
    assert_eq!(read.get(60, &column("cpu")), Some(1.0), "outside of the range");
}

#[test]
fn coverage_merges_what_touches() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), "prod").unwrap();
    for (range, complete) in [(ends(0, 60), true), (ends(120, 180), true), (ends(300, 360), false)] {
        put(&store, "a", range, &Cells::default(), complete);
    }
    assert_eq!(store.covered(&"a".into()).unwrap(), [ends(0, 60), ends(120, 180)]);
    put(&store, "a", ends(60, 120), &Cells::default(), true);
    assert_eq!(store.covered(&"a".into()).unwrap(), [ends(0, 180)]);
}

#[test]
fn placements_are_clipped_to_what_was_known() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), "prod").unwrap();
    put(&store, "a", ends(0, 240), &cells("cpu", &[(60, 1.0), (120, 1.0), (240, 1.0)]), true);
    let placement = |first, last| Placement { service: "s".into(), node: "n".into(), first, last };
    assert_eq!(
        store.placements(&"a".into(), ends(0, 60)).unwrap(),
        [placement(1, 60)].map(|p| Placement { first: 60, ..p })
    );
    assert_eq!(
        store.placements(&"a".into(), ends(0, 240)).unwrap(),
        [placement(60, 120), placement(240, 240)]
    );
}

#[test]
fn pruning_forgets_windows_and_that_they_were_fetched() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), "prod").unwrap();
    put(&store, "a", ends(0, 180), &cells("cpu", &[(60, 1.0), (120, 2.0), (180, 3.0)]), true);
    store.prune(120).unwrap();
    assert_eq!(store.covered(&"a".into()).unwrap(), [ends(120, 180)]);
    assert_eq!(store.cells(&"a".into(), ends(0, 180)).unwrap().rows().count(), 1);
    store.prune(999).unwrap();
    assert!(store.covered(&"a".into()).unwrap().is_empty());
}

#[test]
fn garbage_is_moved_aside() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prod.windows.db");
    fs::write(dir.path().join("prod.windows.db.damaged-1"), "an older one").unwrap();
    fs::write(dir.path().join("other.windows.db.damaged-1"), "of another context").unwrap();
    fs::write(&path, b"this is no database at all, although it is long enough to look like one".repeat(40))
        .unwrap();
    let store = Store::open(dir.path(), "prod").unwrap();
    let warnings = store.take_warnings();
    assert!(warnings[0].as_str().contains("history is fetched again"), "{warnings:?}");
    assert!(store.take_warnings().is_empty(), "told once");
    put(&store, "a", ends(0, 60), &cells("cpu", &[(60, 1.0)]), true);
    assert!(store.has_cells(&"a".into(), ends(0, 60)).unwrap());
    let kept = fs::read_dir(dir.path()).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap());
    let kept: Vec<_> = kept.filter(|name| name.contains("damaged") && !name.ends_with("-1")).collect();
    assert_eq!(kept.len(), 1, "kept for those who wonder: {kept:?}");
    assert!(!dir.path().join("prod.windows.db.damaged-1").exists(), "but not for ever");
    assert!(dir.path().join("other.windows.db.damaged-1").exists());
}

#[test]
fn damage_met_while_reading_is_survived() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), "prod").unwrap();
    let many: Vec<_> = (1..2000).map(|n| (n * 60, n as f64)).collect();
    put(&store, "a", ends(0, 2000 * 60), &cells("cpu", &many), true);
    let path = store.path().to_owned();
    drop(store);
    // Keep the header and schema, ruin the tables.
    let mut bytes = fs::read(&path).unwrap();
    let from = 4096 * 9;
    assert!(bytes.len() > from * 2, "{}", bytes.len());
    bytes[from..].fill(0x5a);
    fs::write(&path, bytes).unwrap();
    let store = Store::open(dir.path(), "prod").unwrap();
    let read = store.cells(&"a".into(), ends(0, 2000 * 60)).unwrap();
    assert!(read.is_empty());
    assert_eq!(store.take_warnings().len(), 1);
    put(&store, "a", ends(0, 60), &cells("cpu", &[(60, 1.0)]), true);
    assert!(store.has_cells(&"a".into(), ends(0, 60)).unwrap());
}

#[test]
fn a_store_from_the_future_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path(), "prod").unwrap());
    let path = dir.path().join("prod.windows.db");
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    let error = Store::open(dir.path(), "prod").unwrap_err().to_string();
    assert!(error.contains("version 99") && error.contains("update sagetop"), "{error}");
    assert!(path.exists());
}

#[test]
fn two_connections_write_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let dir = dir.path().to_owned();
            std::thread::spawn(move || {
                // Opened here: creating the file is part of the race.
                let store = Store::open(&dir, "prod").unwrap();
                for n in 0..25 {
                    let range = ends(n * 60, (n + 1) * 60);
                    let name = format!("f{}", n % 7);
                    let value = (n + 1) * 60;
                    put(&store, "shared", range, &cells(&name, &[(value, value as f64)]), true);
                    put(&store, &format!("own{writer}"), range, &cells(&name, &[(value, 1.0)]), true);
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    let store = Store::open(dir.path(), "prod").unwrap();
    for key in ["shared", "own0", "own3"] {
        assert_eq!(store.covered(&key.into()).unwrap(), [ends(0, 1500)], "{key}");
        let read = store.cells(&key.into(), ends(0, 1500)).unwrap();
        assert_eq!(read.rows().count(), 25);
        assert!(read.rows().all(|(_, row)| row.len() == 1));
    }
    assert_eq!(store.cells(&"shared".into(), ends(0, 1500)).unwrap().get(120, &column("f1")), Some(120.0));
    assert!(store.take_warnings().is_empty());
}

impl From<&str> for Key {
    fn from(key: &str) -> Self {
        Self::of(&key)
    }
}
