//! Where on an axis a value lies, and which values are written at it.

use super::Scale;

/// A vertical axis over known values.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    low: f64,
    high: f64,
    log: bool,
    /// Values to write, with their words.
    pub ticks: Vec<(f64, String)>,
}

impl Axis {
    /// The axis of `scale` for these values.
    pub fn new(scale: &Scale, values: impl IntoIterator<Item = f64>) -> Self {
        let values = values.into_iter().chain(scale.limit.as_ref().map(|(limit, _)| *limit));
        let values = values.filter(|value| value.is_finite() && (!scale.log || *value > 0.0));
        let (mut least, mut most) = values.fold((f64::MAX, f64::MIN), |(l, m), v| (l.min(v), m.max(v)));
        if least > most {
            (least, most) = (1.0, 10.0);
        }
        let (low, high) = match (scale.range, scale.log) {
            (Some(range), _) => range,
            (None, true) => (0.8 * least, 1.25 * most),
            (None, false) => (least.min(0.0), most + 0.05 * (most - least.min(0.0)).max(1e-9)),
        };
        let values = if scale.log { ratios(low, high) } else { steps(low, high) };
        let word = |value: f64| {
            if scale.percent { format!("{:.0} %", 100.0 * value) } else { number(value) }
        };
        let ticks = values.into_iter().map(|value| (value, word(value))).collect();
        Self { low, high, log: scale.log, ticks }
    }

    /// 0 at the lower end to 1 at the upper one; what lies beyond is at the end.
    pub fn at(&self, value: f64) -> f64 {
        let on = |value: f64| if self.log { value.max(1e-12).ln() } else { value };
        ((on(value) - on(self.low)) / (on(self.high) - on(self.low))).clamp(0.0, 1.0)
    }
}

/// Round values about a fifth of the axis apart.
pub fn steps(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / 5.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|factor| factor * power);
    let step = step.into_iter().find(|step| *step >= 0.999 * rough).unwrap_or(rough);
    let first = (low / step - 1e-9).ceil() as i64;
    (first..).map(|i| i as f64 * step).take_while(|value| *value <= high + 1e-9 * step).collect()
}

/// Round values in equal ratios, roughly.
fn ratios(low: f64, high: f64) -> Vec<f64> {
    let wide = (high / low).log10() > 2.5;
    let factors: &[f64] = if wide { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let all = decades.flat_map(|decade| factors.iter().map(move |factor| factor * 10f64.powi(decade)));
    all.filter(|value| (low..=high).contains(value)).collect()
}

/// A number without a needless tail.
pub fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let digits = (2.0 - value.abs().log10().floor()).clamp(0.0, 6.0) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(steps(0.0, 1.0).len(), 6);
        assert_eq!(steps(0.0, 60.0), [0.0, 20.0, 40.0, 60.0]);
        assert_eq!(ratios(8.0, 900.0), [10.0, 20.0, 50.0, 100.0, 200.0, 500.0]);
        assert_eq!(ratios(1.0, 1000.0), [1.0, 10.0, 100.0, 1000.0]);
    }

    #[test]
    fn equal_ratios_are_equally_far_apart_on_a_logarithmic_axis() {
        let scale = Scale { range: Some((1.0, 100.0)), log: true, ..Scale::linear("ms") };
        let axis = Axis::new(&scale, []);
        assert!((axis.at(10.0) - 0.5).abs() < 1e-12);
        assert_eq!((axis.at(0.0), axis.at(1e9)), (0.0, 1.0));
        assert_eq!((number(0.25), number(1200.0), number(0.0)), ("0.25".into(), "1200".into(), "0".into()));
    }

    #[test]
    fn an_axis_reaches_as_far_as_its_values_and_its_limit() {
        let scale = Scale { limit: Some((50.0, "objective".into())), ..Scale::linear("ms") };
        let axis = Axis::new(&scale, [10.0, f64::NAN]);
        assert!(axis.at(50.0) < 1.0 && axis.at(50.0) > 0.9);
        assert_eq!(
            Axis::new(&Scale::percent("share"), [0.3]).ticks.last().map(|t| t.1.as_str()),
            Some("100 %")
        );
    }
}
