"""What several tests share: references, small models and corpora, stand-ins for programs."""
