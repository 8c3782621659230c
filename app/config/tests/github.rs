//! Where GitHub is.

use super::*;

#[test]
fn tokens_go_over_https_or_stay_on_this_machine() {
    for (url, is_taken) in [
        ("https://ghe.example/api/v3", true),
        ("http://127.0.0.1:3000", true),
        ("http://[::1]:3000", true),
        ("http://localhost:3000", true),
        ("http://ghe.example/api/v3", false),
        ("http://10.0.0.1", false),
        ("http://localhost.example", false),
    ] {
        let dir = home();
        for key in ["BOWSPRIT_GITHUB__API_URL", "BOWSPRIT_GITHUB__GIT_URL"] {
            let loaded = load(&dir, &good(&dir), &[(key, url)]);
            assert_eq!(loaded.is_ok(), is_taken, "{key} {url}");
            let told = loaded.err().unwrap_or_default().join("\n");
            assert_eq!(told.contains("works to this machine only"), !is_taken);
        }
    }
}
