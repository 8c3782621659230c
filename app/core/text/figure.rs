//! Numbers, spans of time and sizes as people read them.

/// Digits that count in a number.
const SIGNIFICANT: i32 = 4;
/// Most digits after the point; what is smaller shows as 0.
const DECIMALS_MAX: i32 = 12;
/// Most characters of a sparkline.
const SPARKS_MAX: usize = 40;

/// A number in fixed decimals, four significant digits, never an exponent.
pub fn number(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let magnitude = if value == 0.0 {
        0
    } else {
        value.abs().log10().floor() as i32
    };
    let decimals = (SIGNIFICANT - 1 - magnitude).clamp(0, DECIMALS_MAX);
    let text = format!("{value:.*}", usize::try_from(decimals).unwrap_or(0));
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

/// A difference: [`number`] with a plus where it is positive.
pub fn signed(value: f64) -> String {
    let text = number(value);
    if value > 0.0 && text != "0" {
        format!("+{text}")
    } else {
        text
    }
}

/// The course of a series in one line of characters; gaps are dropped, long series averaged.
pub fn sparkline(values: &[f64]) -> String {
    let finite: Vec<f64> = values
        .iter()
        .copied()
        .filter(|value| value.is_finite())
        .collect();
    let per_spark = finite.len().div_ceil(SPARKS_MAX).max(1);
    let means: Vec<f64> = finite
        .chunks(per_spark)
        .map(|chunk| chunk.iter().map(|v| v / chunk.len() as f64).sum())
        .collect();
    let low = means.iter().copied().fold(f64::INFINITY, f64::min);
    let high = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let bars = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    // Halves first: the span of two finite numbers may not be finite.
    let span = high / 2.0 - low / 2.0;
    means
        .iter()
        .map(|value| {
            let share = if span > 0.0 {
                (value / 2.0 - low / 2.0) / span
            } else {
                0.5
            };
            let index = (share * 7.0).round().clamp(0.0, 7.0) as usize;
            bars.get(index).copied().unwrap_or('▄')
        })
        .collect()
}

/// A span of time in its two largest units. Units of the argument: milliseconds.
pub fn duration(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let ms = ms.unsigned_abs();
    let (s, min, h, d) = (ms / 1_000, ms / 60_000, ms / 3_600_000, ms / 86_400_000);
    let text = if ms < 1_000 {
        format!("{ms} ms")
    } else if s < 10 {
        format!("{s}.{} s", ms % 1_000 / 100)
    } else if min < 1 {
        format!("{s} s")
    } else if h < 1 {
        format!("{min} min {:02} s", s % 60)
    } else if d < 1 {
        format!("{h} h {:02} min", min % 60)
    } else {
        format!("{d} d {:02} h", h % 24)
    };
    format!("{sign}{text}")
}

/// A size in binary units.
pub fn bytes(count: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1_024 {
        return format!("{count} B");
    }
    let mut size = count as f64 / 1_024.0;
    let mut unit = 0;
    // 1023.95 would be rounded to 1024.0.
    while size >= 1_023.95 && unit + 1 < units.len() {
        size /= 1_024.0;
        unit += 1;
    }
    let decimals = usize::from(size < 99.95);
    format!(
        "{size:.decimals$} {}",
        units.get(unit).copied().unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_digits_and_no_exponent() {
        let check = |value, text| assert_eq!(number(value), text);
        check(0.0, "0");
        check(-0.0, "0");
        check(0.95, "0.95");
        check(0.981_234, "0.9812");
        check(0.999_96, "1");
        check(-12.345_67, "-12.35");
        check(123_456.0, "123456");
        check(0.000_012_345, "0.00001234");
        check(1e-20, "0");
        check(-1e-20, "0");
        check(1e21, "1000000000000000000000");
        check(f64::NAN, "NaN");
        check(f64::NEG_INFINITY, "-Infinity");
        assert_eq!(signed(0.0123), "+0.0123");
        assert_eq!(signed(-0.5), "-0.5");
        assert_eq!(signed(0.0), "0");
    }

    #[test]
    fn sparks_follow_the_series() {
        assert_eq!(sparkline(&[1.0, 2.0, 3.0, 8.0]), "▁▂▃█");
        assert_eq!(sparkline(&[1.0, f64::NAN, 8.0]), "▁█");
        assert_eq!(sparkline(&[5.0, 5.0]), "▅▅");
        assert_eq!(sparkline(&[f64::MAX, f64::MIN]), "█▁");
        assert_eq!(sparkline(&[]), "");
        assert_eq!(sparkline(&vec![1.0; 1_000]).chars().count(), SPARKS_MAX);
    }

    #[test]
    fn time_and_size_show_two_units_at_most() {
        let check = |ms, text: &str| assert_eq!(duration(ms), text);
        check(0, "0 ms");
        check(9_940, "9.9 s");
        check(42_000, "42 s");
        check(245_000, "4 min 05 s");
        check(7_380_000, "2 h 03 min");
        check(-90_000_000, "-1 d 01 h");
        check(i64::MIN, "-106751991167 d 07 h");
        let check = |count, text: &str| assert_eq!(bytes(count), text);
        check(0, "0 B");
        check(1_023, "1023 B");
        check(1_024, "1.0 KiB");
        check(1_048_575, "1.0 MiB");
        check(300 << 20, "300 MiB");
        check(u64::MAX, "16.0 EiB");
    }
}
