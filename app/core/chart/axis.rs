//! Scales: from figures to places, with round steps.

use crate::text;

/// From values to places on one side of a picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    step_min: f64,
}

/// Beyond this, a picture cannot tell values apart; they stand at its edge.
const VALUE_MAX: f64 = 1e15;

impl Axis {
    /// An axis that holds every value, from place `from` to place `to`. Units of the places: pixels.
    pub(super) fn over(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Axis {
        let (low, high) = values
            .filter(|value| value.is_finite())
            .map(|value| value.clamp(-VALUE_MAX, VALUE_MAX))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                (low.min(value), high.max(value))
            });
        let (low, high) = if low > high { (0.0, 1.0) } else { (low, high) };
        let (low, high) = if high - low > f64::EPSILON * high.abs().max(low.abs()) {
            (low, high)
        } else {
            let room = (low.abs() * 0.1).max(0.5);
            (low - room, high + room)
        };
        Axis {
            low,
            high,
            from,
            to,
            step_min: 0.0,
        }
    }

    /// The same axis, ending on round steps.
    pub(super) fn rounded(self) -> Axis {
        let step = self.step(6);
        Axis {
            low: (self.low / step).floor() * step,
            high: (self.high / step).ceil() * step,
            ..self
        }
    }

    /// The same axis for counted things: no ticks between whole numbers.
    pub(super) fn whole(self) -> Axis {
        Axis {
            step_min: 1.0,
            ..self
        }
    }

    /// The place of a value.
    pub(super) fn place(&self, value: f64) -> f64 {
        let value = value.clamp(self.low, self.high);
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// Round values along the axis, with their labels.
    pub(super) fn ticks(&self, most: usize) -> Vec<(f64, String)> {
        let step = self.step(most);
        let first = (self.low / step - 1e-9).ceil();
        let decimals = usize::try_from((-step.log10().floor()).max(0.0) as i64)
            .unwrap_or(0)
            .min(12);
        (0..=most)
            .map(|i| (first + i as f64) * step)
            .take_while(|value| *value <= self.high + step * 1e-9)
            .map(|value| (value, label(value, decimals)))
            .collect()
    }

    /// The smallest step of 1, 2 or 5 times a power of ten that needs at most `most` of them.
    fn step(&self, most: usize) -> f64 {
        let rough = ((self.high - self.low) / most.max(1) as f64).max(self.step_min);
        let power = 10_f64.powf(rough.log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0];
        steps
            .into_iter()
            .map(|step| step * power)
            .find(|step| *step >= rough * 0.999_999)
            .unwrap_or(10.0 * power)
    }
}

fn label(value: f64, decimals: usize) -> String {
    let size = value.abs();
    if size >= 1e9 {
        format!("{}G", text::number(value / 1e9))
    } else if size >= 1e6 {
        format!("{}M", text::number(value / 1e6))
    } else if size >= 1e4 {
        format!("{}k", text::number(value / 1e3))
    } else {
        let text = format!("{value:.decimals$}");
        if text
            .trim_start_matches('-')
            .bytes()
            .all(|b| matches!(b, b'0' | b'.'))
        {
            "0".to_owned()
        } else {
            text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let check = |values: &[f64], labels: &[&str]| {
            let axis = Axis::over(values.iter().copied(), 0.0, 100.0).rounded();
            let found: Vec<String> = axis.ticks(6).into_iter().map(|(_, label)| label).collect();
            assert_eq!(found, labels, "{values:?}");
        };
        check(&[0.0, 1.0], &["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        check(&[0.91, 0.98], &["0.90", "0.92", "0.94", "0.96", "0.98"]);
        check(
            &[-3.0, 40_000.0],
            &["-10k", "0", "10k", "20k", "30k", "40k"],
        );
        check(&[], &["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        let counted = Axis::over([1.0].into_iter(), 0.0, 100.0).whole().ticks(10);
        assert_eq!(counted, [(1.0, "1".to_owned())]);
        check(&[7.0], &["6.0", "6.5", "7.0", "7.5", "8.0"]);
    }
}
