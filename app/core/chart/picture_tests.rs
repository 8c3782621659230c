//! Every picture: deterministic, standing alone, and safe with foreign names.

use super::*;
use proptest::prelude::*;

fn series(name: &str, points: &[(f64, f64)]) -> Series {
    Series {
        name: name.to_owned(),
        points: points.to_vec(),
    }
}

fn curve(name: &str, level: f64) -> Series {
    let points = (0..60).map(|i| (f64::from(i), level + 0.4 * (-f64::from(i) / 12.0).exp()));
    Series {
        name: name.to_owned(),
        points: points.collect(),
    }
}

/// One picture of each kind, with what is hard to place.
fn mark(x: f64, label: &str) -> Mark {
    Mark {
        x,
        label: label.to_owned(),
    }
}

fn line_pictures() -> Vec<(&'static str, String)> {
    let history = [
        (1.0, 0.91),
        (2.0, 0.93),
        (3.0, 0.925),
        (4.0, 0.951),
        (5.0, 0.949),
        (6.0, 0.962),
        (7.0, 0.981),
    ];
    vec![
        (
            "history",
            line_chart(
                "digits: accuracy by version",
                &[
                    series("accuracy", &history),
                    series("f1_macro", &history.map(|(x, y)| (x, y - 0.012))),
                ],
                &[
                    mark(5.0, "production v5"),
                    mark(6.0, "staging v6"),
                    mark(7.0, "candidate v7"),
                ],
            ),
        ),
        (
            "curve",
            line_chart(
                "learning curve: candidate against production, with a title that is longer than the picture is wide at all",
                &[
                    curve("candidate train loss", 0.10),
                    curve("candidate validation loss", 0.16),
                    curve("production train loss", 0.13),
                    curve("production validation loss", 0.19),
                    curve(
                        "baseline with a name that is far too long for any legend",
                        0.3,
                    ),
                    curve("sixth", 0.35),
                    curve("seventh", 0.4),
                ],
                &[],
            ),
        ),
        (
            "point",
            line_chart(
                "first version",
                &[series("accuracy", &[(1.0, 0.9)])],
                &[mark(1.0, "v1")],
            ),
        ),
        ("empty", line_chart("nothing yet", &[], &[])),
    ]
}

fn other_pictures() -> Vec<(&'static str, String)> {
    let names = [
        "digit zero",
        "digit one",
        "two",
        "a class with quite a long name",
        "four",
    ]
    .map(str::to_owned);
    let counts: Vec<Vec<u64>> = (0..5_u64)
        .map(|i| {
            (0..5_u64)
                .map(|j| {
                    if i == j {
                        180 + i
                    } else {
                        (i * 7 + j * 3) % 23
                    }
                })
                .collect()
        })
        .collect();
    let ten: Vec<String> = (0..10).map(|i| i.to_string()).collect();
    let tens: Vec<Vec<u64>> = (0..10_u64)
        .map(|i| {
            (0..10_u64)
                .map(|j| {
                    if i == j {
                        44
                    } else {
                        u64::from((i + j) % 4 == 0)
                    }
                })
                .collect()
        })
        .collect();
    let bar = |name: &str, value: f64| (name.to_owned(), value);
    vec![
        (
            "bars",
            bar_chart(
                "importance of features",
                &[
                    bar("petal length", 0.4213),
                    bar("petal width", 0.39),
                    bar("a feature whose name goes on and on", 0.1),
                    bar("sepal width", -0.045),
                    bar("broken", f64::NAN),
                ],
            ),
        ),
        (
            "positive",
            bar_chart(
                "latency",
                &[bar("p50", 1.2), bar("p95", 3.4), bar("p99", 123.0)],
            ),
        ),
        ("matrix", confusion_matrix(&names, &counts)),
        ("digits", confusion_matrix(&ten, &tens)),
        ("no-bars", bar_chart("nothing yet", &[])),
        ("no-classes", confusion_matrix(&[], &[])),
    ]
}

fn pictures() -> Vec<(&'static str, String)> {
    let mut all = line_pictures();
    all.extend(other_pictures());
    all
}

#[test]
fn pictures_stand_alone_and_repeat() {
    for ((name, picture), (_, again)) in pictures().into_iter().zip(pictures()) {
        assert_eq!(picture, again, "{name}");
        assert!(picture.len() < 40_000, "{name}: {} bytes", picture.len());
        for word in [
            "=\"NaN",
            "inf\"",
            "<script",
            "url(",
            "@import",
            "href",
            "foreignObject",
        ] {
            assert!(!picture.contains(word), "{name}: {word}");
        }
        assert_eq!(
            picture.matches("http").count(),
            1,
            "{name}: the name space only"
        );
    }
}

#[test]
fn foreign_names_stay_text() {
    let name = "</text><script>alert('1')</script>\u{0}&\"\u{1b}[31m";
    for picture in [
        line_chart(
            name,
            &[series(name, &[(0.0, 1.0)])],
            &[Mark {
                x: 0.0,
                label: name.to_owned(),
            }],
        ),
        bar_chart(name, &[(name.to_owned(), 1.0)]),
        confusion_matrix(&[name.to_owned()], &[vec![1]]),
    ] {
        assert!(!picture.contains("<script"), "{picture}");
        assert!(!picture.chars().any(|c| c.is_control() && c != '\n'));
        assert_eq!(
            picture.matches("<text").count(),
            picture.matches("</text>").count()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_figure_breaks_a_picture(points in prop::collection::vec((any::<f64>(), any::<f64>()), 0..8), x in any::<f64>()) {
        let bars: Vec<(String, f64)> = points.iter().map(|(_, y)| ("bar".to_owned(), *y)).collect();
        for picture in [line_chart("t", &[series("s", &points)], &[Mark { x, label: "m".to_owned() }]), bar_chart("t", &bars)] {
            let places = picture.split('"').skip(1).step_by(2);
            for place in places.flat_map(|value| value.split([' ', ','])) {
                prop_assert!(!place.contains("NaN") && !place.contains("inf"), "{}", place);
            }
        }
    }
}
