//! A repository's chart: the values it is rendered with, and its objects by the files they come from.

use crate::name::Slug;
use serde_json::{Map, Value, json};

/// How a comment of helm begins that names the file of an object.
const SOURCE: &str = "# Source: ";

/// What a chart is rendered with: wishes that are filled in later, as those of plain manifests are.
///
/// `fullnameOverride` is what charts take their names from by custom.
pub fn values<'a>(models: impl IntoIterator<Item = &'a Slug>) -> Value {
    let wish = |key: &str| json!(format!("${{BOWSPRIT_{key}}}"));
    let models = models.into_iter().map(|name| {
        let end = super::values::suffix(name);
        let told = json!({
            "version": wish(&format!("MODEL_VERSION{end}")),
            "digest": wish(&format!("MODEL_DIGEST{end}")),
        });
        (name.to_string(), told)
    });
    json!({
        "fullnameOverride": wish("NAME"),
        "bowsprit": {
            "name": wish("NAME"),
            "namespace": wish("NAMESPACE"),
            "environment": wish("ENVIRONMENT"),
            "release": wish("RELEASE"),
            "image": wish("IMAGE"),
            "models": Map::from_iter(models),
        },
    })
}

/// Divides what helm printed into files, each with the path that helm names.
pub fn files(rendered: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for part in rendered.split("\n---\n") {
        let part = part.strip_prefix("---\n").unwrap_or(part);
        let is_empty = |line: &str| line.trim().is_empty() || line.starts_with('#');
        if part.lines().all(is_empty) {
            continue;
        }
        let named = part.lines().find_map(|line| line.strip_prefix(SOURCE));
        let path = named.unwrap_or("the chart").trim().to_owned();
        found.push((path, part.to_owned()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn objects_are_told_by_the_file_they_come_from() {
        let rendered = "---\n# Source: c/templates/a.yaml\nkind: A\n---\n# Source: c/templates/b.yaml\n\n# nothing\n---\nkind: C\ntext: |\n  ---x\n";
        let told: Vec<String> = files(rendered)
            .into_iter()
            .map(|(path, text)| format!("{path}: {text:?}"))
            .collect();
        expect![[r##"
            c/templates/a.yaml: "# Source: c/templates/a.yaml\nkind: A"
            the chart: "kind: C\ntext: |\n  ---x\n""##]]
        .assert_eq(&told.join("\n"));
        assert_eq!(files(""), []);
        assert_eq!(files("---\n# Source: c/x.yaml\n"), []);
    }

    #[test]
    fn values_are_wishes_that_manifests_know() {
        let name = Slug::parse("digits-v2").unwrap();
        let told = values([&name]);
        assert_eq!(told["fullnameOverride"], "${BOWSPRIT_NAME}");
        let model = &told["bowsprit"]["models"]["digits-v2"];
        assert_eq!(model["version"], "${BOWSPRIT_MODEL_VERSION_DIGITS_V2}");
    }
}
