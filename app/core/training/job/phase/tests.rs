//! What real clusters showed, and the words that it is told in.
