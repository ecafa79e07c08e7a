//! Whatever calls whom: lines keep clear of boxes and of one another.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::causal::{CallGraph, EdgeOrigin};
use crate::tui::tree::TreeRows;

fn drawing(edges: &[(usize, usize)], page: usize) -> Drawing {
    let mut graph = CallGraph::default();
    let name = |n: &usize| ServiceName::new(&format!("service-{n}"));
    graph.add_service(&name(&0), true);
    for (a, b) in edges {
        graph.add_edge(&name(a), &name(b), EdgeOrigin::Spans, 1);
    }
    let mut rows = TreeRows::default();
    rows.refresh(&Arc::new(graph), &name(&0), "", &BTreeSet::new(), None);
    let mut drawing = Drawing::default();
    drawing.refresh((rows.made(), rows.rows()), (80, page), ([12, 8], 20), str::len);
    drawing
}

/// The cells of a wire, with what it does there: along the row, along the column.
fn cells(wire: &Wire) -> BTreeMap<(usize, usize), (bool, bool)> {
    let mut cells: BTreeMap<(usize, usize), (bool, bool)> = BTreeMap::new();
    for pair in wire.points.windows(2) {
        let ((x, y), (to_x, to_y)) = (pair[0], pair[1]);
        assert!(x == to_x || y == to_y, "{wire:?}");
        for x in x.min(to_x)..=x.max(to_x) {
            for y in y.min(to_y)..=y.max(to_y) {
                let cell = cells.entry((x, y)).or_default();
                *cell = (cell.0 || pair[0].1 == to_y, cell.1 || pair[0].0 == to_x);
            }
        }
    }
    cells
}

#[test]
fn callers_stand_left_of_callees_and_cycles_lead_back() {
    let drawing = drawing(&[(0, 1), (1, 2), (0, 2), (2, 1)], 40);
    let layer = |n: usize| drawing.of(&ServiceName::new(&format!("service-{n}"))).map(|b| b.layer);
    assert_eq!([layer(0), layer(1), layer(2)], [Some(0), Some(1), Some(2)]);
    let back: Vec<_> = drawing.wires.iter().filter(|w| w.back).map(|w| w.place.service.as_str()).collect();
    assert_eq!(back, ["service-1"]);
    assert!(drawing.of(&ServiceName::new("elsewhere")).is_none());
}

proptest! {
    #[test]
    fn lines_lead_from_box_to_box_through_none_and_only_meet_where_they_should(
        pairs in prop::collection::btree_set((0usize..14, 0usize..14), 0..45),
        page in 0usize..60,
    ) {
        let edges: Vec<_> = pairs.into_iter().filter(|(a, b)| a != b).collect();
        let drawing = drawing(&edges, page);
        let covered = |(x, y): (usize, usize)| {
            drawing.boxes.iter().find(|b| (b.x..b.x + b.width).contains(&x) && (b.y..b.y + BOX_ROWS).contains(&y))
        };
        for (i, a) in drawing.boxes.iter().enumerate() {
            prop_assert!(a.x + a.width <= drawing.width && a.y + BOX_ROWS <= drawing.height);
            for b in &drawing.boxes[..i] {
                let apart = a.x + a.width <= b.x || b.x + b.width <= a.x
                    || a.y + BOX_ROWS <= b.y || b.y + BOX_ROWS <= a.y;
                prop_assert!(apart, "{a:?} lies on {b:?}");
            }
        }
        let lines: Vec<_> = drawing.wires.iter().map(|wire| (wire, cells(wire))).collect();
        for (wire, cells) in &lines {
            let caller = wire.place.parent.as_ref().and_then(|p| drawing.of(p)).unwrap();
            let callee = drawing.of(&wire.place.service).unwrap();
            let (left, right) = if wire.back { (callee, caller) } else { (caller, callee) };
            let (first, last) = (wire.points[0], wire.points[wire.points.len() - 1]);
            prop_assert_eq!(first.0, left.x + left.width);
            prop_assert_eq!(last.0 + 1, right.x);
            let port = if wire.back { BACK_PORT } else { PORT };
            prop_assert_eq!((first.1, last.1), (left.y + port, right.y + port));
            for cell in cells.keys() {
                prop_assert!(covered(*cell).is_none(), "{wire:?} runs through {:?}", covered(*cell));
            }
        }
        // Lines of different nets share no column, and no row unless both lead to the same box.
        for (i, (a, of_a)) in lines.iter().enumerate() {
            for (b, of_b) in &lines[..i] {
                if a.net == b.net {
                    continue;
                }
                let same_end = a.points.last() == b.points.last();
                for (cell, (across, down)) in of_a {
                    let Some((b_across, b_down)) = of_b.get(cell) else { continue };
                    prop_assert!(!(*down && *b_down), "{a:?} and {b:?} share a column at {cell:?}");
                    prop_assert!(!(*across && *b_across) || same_end, "{a:?} and {b:?} share a row at {cell:?}");
                }
            }
        }
    }
}
