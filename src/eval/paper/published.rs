//! What others have published about the same methods, to be put beside what is measured here.
//!
//! Sources: the workshop paper of Sage's authors, its figure 4 (2020); the slides of Sage (ASPLOS 2021);
//! Sage as run again for Sleuth (ASPLOS 2023); the papers of the methods themselves. Applications and
//! faults are others than the lab's, so these are figures to look at beside each other, no more.

/// A published figure; shares, not per cent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    /// Beginning of the method's name in lower case.
    pub method: &'static str,
    /// Beginning of the application's name; `None` for all of a paper's.
    pub app: Option<&'static str>,
    /// Incidents explained exactly; where that was not published, how it was counted is in `note`.
    pub accuracy: Option<f64>,
    /// A true cause missed.
    pub missed: Option<f64>,
    /// A wrong cause blamed.
    pub wrong: Option<f64>,
    /// Where it is from, and what it is if it is not that.
    pub note: &'static str,
}

const FIG_4: &str = "workshop paper, figure 4";

const fn fig_4(method: &'static str, app: &'static str, accuracy: f64, missed: f64, wrong: f64) -> Published {
    let (accuracy, missed, wrong) = (Some(accuracy), Some(missed), Some(wrong));
    Published { method, app: Some(app), accuracy, missed, wrong, note: FIG_4 }
}

const fn only(
    method: &'static str,
    app: Option<&'static str>,
    accuracy: f64,
    note: &'static str,
) -> Published {
    Published { method, app, accuracy: Some(accuracy), missed: None, wrong: None, note }
}

/// All of them.
pub const ALL: [Published; 18] = [
    fig_4("sagetop", "chain", 0.955, 0.036, 0.033),
    fig_4("sagetop", "fanout", 0.917, 0.050, 0.067),
    fig_4("sagetop", "social-network", 0.938, 0.041, 0.047),
    fig_4("autoscaling 50", "chain", 0.233, 0.766, 0.002),
    fig_4("autoscaling 50", "fanout", 0.241, 0.758, 0.003),
    fig_4("autoscaling 50", "social-network", 0.153, 0.824, 0.023),
    fig_4("autoscaling 70", "chain", 0.181, 0.725, 0.349),
    fig_4("autoscaling 70", "fanout", 0.152, 0.735, 0.464),
    fig_4("autoscaling 70", "social-network", 0.128, 0.774, 0.395),
    fig_4("offline", "chain", 0.665, 0.133, 0.215),
    fig_4("offline", "fanout", 0.693, 0.141, 0.176),
    fig_4("offline", "social-network", 0.625, 0.188, 0.229),
    only("sagetop", Some("media"), 0.88, "slides: 88 to 95 % over five applications; the lower end"),
    only(
        "sagetop",
        Some("hotel-reservation"),
        0.88,
        "slides: 88 to 95 % over five applications; the lower end",
    ),
    only(
        "sagetop",
        None,
        0.87,
        "Sage as run again for Sleuth, Social Network; nine services updated at once: 29 %",
    ),
    only("causeinfer", None, 0.80, "its own paper: precision of the first two; recall 85 %"),
    only("microscope", None, 0.88, "its own paper: precision of the first; recall 80 %"),
    only("seer", None, 0.935, "its own paper: violations traced to the right service"),
];

/// Whether `name` is the method or application that is called `known` here: other signs between the
/// words do not matter.
pub fn is(name: &str, known: &str) -> bool {
    let plain = |text: &str| Vec::from_iter(text.to_lowercase().chars().filter(|c| c.is_alphanumeric()));
    plain(name).starts_with(&plain(known))
}

/// What was published of `method` on applications like `app`.
pub fn of(method: &str, app: &str) -> Option<&'static Published> {
    let of_app = |published: &&Published| published.app.is_some_and(|known| is(app, known));
    ALL.iter().filter(|published| is(method, published.method)).find(of_app)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_by_method_and_application() {
        assert_eq!(of("sagetop", "chain-5").and_then(|p| p.accuracy), Some(0.955));
        assert_eq!(of("autoscaling 70 %", "social-network").and_then(|p| p.wrong), Some(0.395));
        assert_eq!(of("Autoscaling-50", "fanout-10").and_then(|p| p.missed), Some(0.758));
        assert!(of("control", "chain-5").is_none() && of("sagetop", "online-boutique").is_none());
    }
}
