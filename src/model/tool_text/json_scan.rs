//! Where a JSON object ends in text that goes on.

/// The length in bytes of the object or list that `text` begins with; none while it is open.
pub(super) fn balanced(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_in_strings_do_not_count() {
        assert_eq!(balanced(r#"{"a": "}\"}", "b": [1]} tail"#), Some(23));
        assert_eq!(balanced(r#"{"a": "}"#), None);
        assert_eq!(balanced("{}"), Some(2));
    }
}
