//! The calls as a drawing: where boxes and lines stand, in cells. What they look like is the view's.
//!
//! ```text
//!  ┏ frontend ━━━━━━━┓   ┌ cart ───────────┐
//!  ┃ 642 ms  3.8x    ┣─┬▸│ 5.8 ms  1.1x    │      the line of a caller leaves its box at the middle
//!  ┗━━━━━━━━━━━━━━━━━┛ │ └─────────────────┘      and branches in the channel between two layers
//!                      │ ┌ catalog ────────┐
//!                      └▸│ 10 ms   2.5x    │
//!                        └─────────────────┘
//! ```

mod channel;
mod rows;

use std::collections::BTreeMap;

use super::tree::{Place, Row};
use crate::causal::layers::{self, Layers};
use crate::domain::ServiceName;

/// Rows of a box.
pub const BOX_ROWS: usize = 3;
/// The row of a box at which its calls arrive and leave.
pub const PORT: usize = 1;
/// The row of a box at which calls that close a cycle arrive and leave.
pub const BACK_PORT: usize = 2;
/// Rows between two boxes, at most and less where there is no room for so many.
const AIR: std::ops::RangeInclusive<usize> = 0..=2;

/// A service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Box {
    /// The line of the tree with the service and what it calls.
    pub row: usize,
    /// The service.
    pub service: ServiceName,
    /// Column of its left side.
    pub x: usize,
    /// Its top row.
    pub y: usize,
    /// Columns, sides included.
    pub width: usize,
    /// Its layer, from the left.
    pub layer: usize,
}

impl Box {
    /// The row in which its calls arrive and leave.
    pub fn middle(&self) -> usize {
        self.y + PORT
    }
}

/// A call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wire {
    /// Caller and callee, the name of its line in the tree.
    pub place: Place,
    /// Calls of one net share their line as far as they run together.
    pub net: usize,
    /// Whether it closes a cycle: it is drawn from right to left.
    pub back: bool,
    /// Its corners from the left end, right of a box, to the right end, left of another; neighbours share
    /// their column or their row.
    pub points: Vec<(usize, usize)>,
}

/// Where everything stands.
#[derive(Clone, Debug, Default)]
pub struct Drawing {
    /// Of which lines of the tree it was made, and for how many columns and rows.
    made_from: Option<(u64, (usize, usize))>,
    /// The services.
    pub boxes: Vec<Box>,
    /// The calls.
    pub wires: Vec<Wire>,
    /// Columns of it all.
    pub width: usize,
    /// Rows of it all.
    pub height: usize,
}

impl Drawing {
    /// Makes it again if the lines changed: `made` counts up with them. A box has room for its name, at most for
    /// `most` cells, and at least for the first of `least` with which all of it fits the columns of `page`;
    /// `measure` tells the cells of a name. Boxes stand as far apart as the rows of `page` allow.
    pub fn refresh(
        &mut self,
        (made, rows): (u64, &[Row]),
        page: (usize, usize),
        (least, most): ([usize; 2], usize),
        measure: impl Fn(&str) -> usize,
    ) {
        if self.made_from == Some((made, page)) {
            return;
        }
        *self = Self { made_from: Some((made, page)), ..Self::default() };
        let mut number: BTreeMap<&ServiceName, usize> = BTreeMap::new();
        for (i, row) in rows.iter().enumerate() {
            let service = &row.place.service;
            let known = number.len();
            let n = *number.entry(service).or_insert(known);
            if n == self.boxes.len() {
                self.boxes.push(Box { row: i, service: service.clone(), x: 0, y: 0, width: 0, layer: 0 });
            } else if !row.repeated {
                self.boxes[n].row = i;
            }
        }
        let calls: Vec<(usize, usize, &Place)> = rows
            .iter()
            .filter_map(|row| {
                let caller = number.get(row.place.parent.as_ref()?)?;
                Some((*caller, *number.get(&row.place.service)?, &row.place))
            })
            .collect();
        let pairs: Vec<_> = calls.iter().map(|(a, b, _)| (*a, *b)).collect();
        let layers = Layers::of(self.boxes.len(), &pairs);
        self.stand(&layers);
        let airy = AIR
            .rev()
            .take_while(|air| *air > *AIR.start())
            .filter(|air| rows::least(&layers, *air) <= page.1);
        let tops =
            airy.map(|air| rows::tops(&layers, air)).find(|tops| rows::height(&layers, tops) <= page.1);
        let tops = tops.unwrap_or_else(|| rows::tops(&layers, *AIR.start()));
        let mut channels = Channels::new(&layers, tops);
        for least in least {
            for of in &mut self.boxes {
                of.width = measure(of.service.as_str()).clamp(least, most);
            }
            self.columns(&layers, &mut channels);
            if self.width <= page.0 {
                break;
            }
        }
        for ((.., place), (net, way)) in calls.iter().zip(&layers.ways) {
            let back = layers.nets[*net].back;
            let points = self.points(&layers, &channels, *net, way);
            self.wires.push(Wire { place: (*place).clone(), net: *net, back, points });
        }
    }

    /// Gives every box its layer and row.
    fn stand(&mut self, layers: &Layers) {
        for (layer, places) in layers.order.iter().enumerate() {
            for place in places {
                if let layers::Place::Service(n) = layers.places[*place] {
                    self.boxes[n].layer = layer;
                }
            }
        }
    }

    /// Gives every box its column and row, every net its track in each channel, and the whole its size.
    fn columns(&mut self, layers: &Layers, channels: &mut Channels) {
        self.height = rows::height(layers, &channels.lines);
        for (top, place) in channels.lines.iter().zip(&layers.places) {
            if let layers::Place::Service(n) = place {
                self.boxes[*n].y = *top;
            }
        }
        channels.ends.clear();
        let mut x = 0;
        for (layer, places) in layers.order.iter().enumerate() {
            let here: Vec<usize> = places
                .iter()
                .filter_map(|place| match layers.places[*place] {
                    layers::Place::Service(n) => Some(n),
                    layers::Place::Passage(_) => None,
                })
                .collect();
            let widest = here.iter().map(|n| self.boxes[*n].width).max().unwrap_or(0);
            for n in here {
                (self.boxes[n].x, self.boxes[n].width) = (x, widest);
            }
            x += widest;
            self.width = x;
            let routes = channels.routes(layers, layer);
            let (tracks, width) = channel::tracks(&routes);
            channels.tracks.extend(tracks.iter().map(|(net, track)| ((layer, *net), x + track)));
            channels.ends.push((x, x + width));
            x += width;
        }
    }

    /// The corners of a call that takes `way`.
    fn points(&self, layers: &Layers, channels: &Channels, net: usize, way: &[usize]) -> Vec<(usize, usize)> {
        let mut points = Vec::new();
        let first = match layers.places[way[0]] {
            layers::Place::Service(n) => self.boxes[n].layer,
            layers::Place::Passage(_) => 0,
        };
        for (step, pair) in way.windows(2).enumerate() {
            let layer = first + step;
            let (from, to) = (channels.port(layers, net, pair[0]), channels.port(layers, net, pair[1]));
            let (left, right) = channels.ends[layer];
            if step == 0 {
                points.push((left, from));
            }
            if from != to
                && let Some(track) = channels.tracks.get(&(layer, net))
            {
                points.extend([(*track, from), (*track, to)]);
            }
            if step + 2 == way.len() {
                points.push((right.saturating_sub(1), to));
            }
        }
        points
    }

    /// The box of `service`.
    pub fn of(&self, service: &ServiceName) -> Option<&Box> {
        self.boxes.iter().find(|b| b.service == *service)
    }
}

/// The channels right of each layer, and where lines run in them.
#[derive(Default)]
struct Channels {
    /// The top row of each place.
    lines: Vec<usize>,
    /// The nets that start at each place, and the place of the next layer they lead to.
    starting: Vec<Vec<(usize, usize)>>,
    /// The column in which a net branches, by layer and net.
    tracks: BTreeMap<(usize, usize), usize>,
    /// First column of each layer's channel, and the one after its last.
    ends: Vec<(usize, usize)>,
}

impl Channels {
    /// For places whose top rows are `lines`; without columns yet.
    fn new(layers: &Layers, lines: Vec<usize>) -> Self {
        let mut starting = vec![Vec::new(); layers.places.len()];
        for link in &layers.links {
            starting[link.from].push((link.net, link.to));
        }
        Self { lines, starting, ..Self::default() }
    }

    /// The row in which `net` meets a place.
    fn port(&self, layers: &Layers, net: usize, place: usize) -> usize {
        self.lines[place] + port(layers, net, place)
    }

    /// What has to be connected right of `layer`: by net its row on the left and its rows on the right.
    fn routes(&self, layers: &Layers, layer: usize) -> Vec<channel::Route> {
        let mut routes: BTreeMap<usize, channel::Route> = BTreeMap::new();
        for place in &layers.order[layer] {
            for (net, to) in &self.starting[*place] {
                let from = self.port(layers, *net, *place);
                let route = routes.entry(*net).or_insert(channel::Route { net: *net, from, to: Vec::new() });
                route.to.push(self.port(layers, *net, *to));
            }
        }
        routes.into_values().collect()
    }
}

/// The row of a place, from its top, in which `net` meets it.
fn port(layers: &Layers, net: usize, place: usize) -> usize {
    match layers.places[place] {
        layers::Place::Passage(_) => 0,
        layers::Place::Service(_) if layers.nets[net].back => BACK_PORT,
        layers::Place::Service(_) => PORT,
    }
}

#[cfg(test)]
mod tests;
