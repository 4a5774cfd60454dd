"""The canary gate: is the new version as good as the old one, and how sure is that?"""
