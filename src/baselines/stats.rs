//! Statistics that several methods share. Missing values are NaN and left out.

/// The values that are there.
pub fn known(values: &[f64]) -> impl Iterator<Item = f64> + Clone {
    values.iter().copied().filter(|value| value.is_finite())
}

/// Mean; `None` of nothing.
pub fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    (count > 0.0).then(|| sum / count)
}

/// Mean and standard deviation (of the population) of what is there.
pub fn moments(values: &[f64]) -> Option<(f64, f64)> {
    let centre = mean(known(values))?;
    let variance = mean(known(values).map(|value| (value - centre).powi(2)))?;
    Some((centre, variance.sqrt()))
}

/// First quartile, median and third quartile of what is there, interpolated.
pub fn quartiles(values: &[f64]) -> Option<(f64, f64, f64)> {
    let mut sorted = Vec::from_iter(known(values));
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let at = |share: f64| {
        let place = share * last as f64;
        let (low, high) = (place.floor() as usize, place.ceil() as usize);
        sorted[low] + (sorted[high] - sorted[low]) * place.fract()
    };
    Some((at(0.25), at(0.5), at(0.75)))
}

/// Pearson's correlation of two columns over the rows that both have; `None` if one of them stands still.
pub fn correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    let pairs = a.iter().zip(b).filter(|(a, b)| a.is_finite() && b.is_finite());
    let (mean_a, mean_b) = (mean(pairs.clone().map(|(a, _)| *a))?, mean(pairs.clone().map(|(_, b)| *b))?);
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in pairs {
        let (a, b) = (a - mean_a, b - mean_b);
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    (aa > 0.0 && bb > 0.0).then(|| ab / (aa * bb).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_values_are_left_out_and_nothing_is_made_of_nothing() {
        assert_eq!(correlation(&[1.0, f64::NAN, 2.0], &[2.0, 9.0, 4.0]), Some(1.0));
        assert_eq!(correlation(&[1.0, 1.0], &[2.0, 4.0]), None);
        assert_eq!(moments(&[1.0, f64::NAN, 3.0]), Some((2.0, 1.0)));
        assert_eq!(moments(&[f64::NAN]), None);
        assert_eq!(quartiles(&[5.0, 1.0, f64::NAN, 2.0, 4.0, 3.0]), Some((2.0, 3.0, 4.0)));
        assert_eq!(quartiles(&[1.0, 2.0]), Some((1.25, 1.5, 1.75)));
        assert_eq!(quartiles(&[]), None);
    }
}
