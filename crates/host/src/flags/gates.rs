//! `--feature-gates`: accepted in Kubernetes' form.

use std::str::FromStr;

/// One occurrence of the flag: `Gate=true,Other=false`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeatureGates(pub Vec<(String, bool)>);

impl FromStr for FeatureGates {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let gate = |item: &str| {
            let (name, value) =
                item.split_once('=').ok_or_else(|| format!("missing bool value for {item}"))?;
            let (name, value) = (name.trim(), value.trim());
            let on = super::boolean(value).map_err(|expected| format!("{name}: {expected}"))?;
            Ok((name.to_owned(), on))
        };
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(gate).collect::<Result<_, String>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_are_read() {
        let gates: FeatureGates = "A=true, B = F,".parse().unwrap();
        assert_eq!(gates.0, [("A".to_owned(), true), ("B".to_owned(), false)]);
        assert_eq!("A".parse::<FeatureGates>().unwrap_err(), "missing bool value for A");
        assert_eq!("A=maybe".parse::<FeatureGates>().unwrap_err(), "A: expected true or false");
    }
}
