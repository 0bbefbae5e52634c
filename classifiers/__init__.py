"""The models that stages ask: language, LLM judge, distilled quality, domain, reward."""
