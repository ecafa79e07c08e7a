SAGETOP
}
eval "$(text)"
