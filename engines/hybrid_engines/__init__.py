"""hybrid_engines"""
