# What leaves when a session is lost must not stop what was begun.
trap '' HUP PIPE
# The rest is a function's text, so that half a script, from a session that broke, does nothing; and so
# that the inverse of a change can be run later by the same text.
text() {
cat <<'SAGETOP'
