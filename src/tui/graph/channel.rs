//! The columns in which lines branch between two layers.

/// Most tracks that stand two columns apart; more stand side by side.
const AIRY: usize = 6;
/// Columns left of the first track.
const BEFORE: usize = 1;
/// Columns right of the last one: a line's last piece and its head.
const AFTER: usize = 2;

/// What one net connects between two layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// The net.
    pub(super) net: usize,
    /// Its row on the left.
    pub(super) from: usize,
    /// Its rows on the right.
    pub(super) to: Vec<usize>,
}

impl Route {
    fn span(&self) -> (usize, usize) {
        let rows = || self.to.iter().chain([&self.from]);
        (rows().min().copied().unwrap_or(0), rows().max().copied().unwrap_or(0))
    }

    fn is_straight(&self) -> bool {
        self.to.iter().all(|to| *to == self.from)
    }

    /// Whether a line along `row` crosses it between its ends.
    fn is_crossed(&self, row: usize) -> bool {
        let (top, bottom) = self.span();
        top < row && row < bottom
    }

    /// Crossings if it branches left of `other`.
    fn crossings_left_of(&self, other: &Self) -> usize {
        let ahead = self.to.iter().filter(|to| other.is_crossed(**to) && !other.to.contains(to)).count();
        ahead + usize::from(self.is_crossed(other.from))
    }
}

/// The track of every net that does not run straight, as columns from the channel's left end; and how wide
/// the channel is. Nets share a track where their pieces of it do not touch.
pub(super) fn tracks(routes: &[Route]) -> (Vec<(usize, usize)>, usize) {
    let mut bent: Vec<&Route> = routes.iter().filter(|route| !route.is_straight()).collect();
    bent.sort_by_key(|route| (route.from, route.net));
    // Neighbours change places as long as that saves crossings.
    for _ in 0..bent.len() {
        let mut moved = false;
        for i in 1..bent.len() {
            let (a, b) = (bent[i - 1], bent[i]);
            if b.crossings_left_of(a) < a.crossings_left_of(b) {
                bent.swap(i - 1, i);
                moved = true;
            }
        }
        if !moved {
            break;
        }
    }
    let mut taken: Vec<Vec<(usize, usize)>> = Vec::new();
    let mut placed = Vec::new();
    let few = bent.len() <= AIRY;
    for route in bent {
        let (top, bottom) = route.span();
        let apart = |spans: &Vec<(usize, usize)>| spans.iter().all(|(t, b)| bottom + 1 < *t || *b + 1 < top);
        let shared = if few { None } else { taken.iter().position(apart) };
        let track = shared.unwrap_or_else(|| {
            taken.push(Vec::new());
            taken.len() - 1
        });
        taken[track].push((top, bottom));
        placed.push((route.net, track));
    }
    let gap = if taken.len() <= AIRY { 2 } else { 1 };
    let tracks = placed.into_iter().map(|(net, track)| (net, BEFORE + gap * track)).collect();
    (tracks, if routes.is_empty() { 0 } else { BEFORE + (gap * taken.len()).max(1) + AFTER })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(net: usize, from: usize, to: &[usize]) -> Route {
        Route { net, from, to: to.to_vec() }
    }

    #[test]
    fn what_runs_straight_needs_no_track() {
        assert_eq!(tracks(&[route(0, 4, &[4])]), (Vec::new(), 4));
        assert_eq!(tracks(&[]), (Vec::new(), 0));
    }

    #[test]
    fn lines_that_lead_up_branch_in_the_order_that_crosses_least() {
        // Left of the other, the upper one's source is not crossed by the lower one's way up.
        let (upper, lower) = (route(0, 5, &[3]), route(1, 9, &[1]));
        assert_eq!((upper.crossings_left_of(&lower), lower.crossings_left_of(&upper)), (1, 1));
        let (upper, lower) = (route(0, 5, &[3, 2]), route(1, 9, &[1]));
        let (placed, _) = tracks(&[upper, lower]);
        let at = |net| placed.iter().find(|(n, _)| *n == net).map(|(_, x)| *x);
        assert!(at(1) < at(0), "{placed:?}");
    }

    #[test]
    fn many_nets_share_tracks_that_do_not_touch() {
        let routes: Vec<_> = (0..20).map(|i| route(i, 10 * i, &[10 * i + 5])).collect();
        let (tracks, width) = tracks(&routes);
        assert_eq!(tracks.len(), 20);
        assert!(tracks.iter().all(|(_, x)| *x == BEFORE), "{tracks:?}");
        assert_eq!(width, BEFORE + 2 + AFTER);
    }
}
